! Our own small stand-in for CTSM's profiles of litter input: same routine and variable names.
module SoilBiogeochemVerticalProfileMod
  use shr_kind_mod, only : r8 => shr_kind_r8
  implicit none
  private
  public :: SoilBiogeochemVerticalProfile
contains
  subroutine SoilBiogeochemVerticalProfile(bounds, num_bgc_soilc,filter_bgc_soilc,num_bgc_vegp,filter_bgc_vegp, &
       active_layer_inst, soilstate_inst, soilbiogeochem_state_inst)
    use decompMod, only : bounds_type
    use clm_varcon, only : dzsoi_decomp
    use clm_varpar, only : nlevdecomp
    use SoilBiogeochemStateType, only : soilbiogeochem_state_type
    use ActiveLayerMod, only : active_layer_type
    use SoilStateType, only : soilstate_type
    use PatchType, only : patch
    type(bounds_type)               , intent(in)    :: bounds
    integer                         , intent(in)    :: num_bgc_soilc
    integer                         , intent(in)    :: filter_bgc_soilc(:)
    integer                         , intent(in)    :: num_bgc_vegp
    integer                         , intent(in)    :: filter_bgc_vegp(:)
    type(active_layer_type)         , intent(in)    :: active_layer_inst
    type(soilstate_type)            , intent(in)    :: soilstate_inst
    type(soilbiogeochem_state_type) , intent(inout) :: soilbiogeochem_state_inst
    real(r8) :: share(1:nlevdecomp)
    integer  :: fp, p, last
    associate(                                                               &
         altmax_lastyear_indx => active_layer_inst%altmax_lastyear_indx_col, &
         crootfr    => soilstate_inst%crootfr_patch                        , &
         leaf_prof  => soilbiogeochem_state_inst%leaf_prof_patch           , &
         froot_prof => soilbiogeochem_state_inst%froot_prof_patch          , &
         croot_prof => soilbiogeochem_state_inst%croot_prof_patch          , &
         stem_prof  => soilbiogeochem_state_inst%stem_prof_patch             &
         )
      do fp = 1,num_bgc_vegp
         p = filter_bgc_vegp(fp)
         last = min(max(altmax_lastyear_indx(patch%column(p)), 1), nlevdecomp)
         share = 0._r8
         share(1:last) = crootfr(p,1:last) / dzsoi_decomp(1:last)
         share = share / sum(share * dzsoi_decomp(1:nlevdecomp))
         leaf_prof(p,1:nlevdecomp) = share
         froot_prof(p,1:nlevdecomp) = share
         croot_prof(p,1:nlevdecomp) = share
         stem_prof(p,1:nlevdecomp) = share
      end do
    end associate
  end subroutine SoilBiogeochemVerticalProfile
end module SoilBiogeochemVerticalProfileMod
