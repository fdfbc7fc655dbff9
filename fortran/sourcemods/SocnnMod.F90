!> What the maps change in CTSM: four hooks, called at the end of what CTSM itself has computed.
!>
!> Only decay rates, transfer and respired fractions, diffusivities and input profiles change. The temperature and water
!> scalars stay as they are, because nitrogen uptake and nitrification use them, too. Pools are known by their restart
!> names, which never changed; their order did.
module SocnnMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   use abortutils, only: endrun
   use clm_varcon, only: secspday, zsoi, zisoi, dzsoi_decomp
   use clm_varctl, only: iulog
   use clm_varpar, only: nlevdecomp
   use ColumnType, only: col
   use decompMod, only: bounds_type
   use PatchType, only: patch
   use SoilBiogeochemDecompCascadeConType, only: decomp_cascade_con
   use SocnnEquationsMod, only: turnover_factor, temperature_factor, water_factor, depth_factor, plain_factor
   use SocnnEquationsMod, only: changed_fraction, split_fractions, input_profile
   use SocnnMapsMod, only: read_maps, maps_active, require_initialised, mapped, map_value, &
      i_bioturbation, i_cryoturbation, i_q10, i_frozen_q10, i_efolding, i_tau_l1, i_tau_l2_l3, i_tau_s1, i_tau_s2, &
      i_tau_s3, i_tau_cwd, i_w_scaling, i_beta, i_rf_l1s1, i_rf_l2s1, i_rf_l3s2, i_rf_s3s1, i_cwd_cellulose, &
      i_cwd_lignin, i_fs1s2, i_fs1s3, i_fs2s1, i_fs2s3
   implicit none
   private

   public :: socnn_init, socnn_rates, socnn_matrix_rates, socnn_fractions, socnn_diffusivity, socnn_profiles

   !> Index of each transition of the cascade; set once, before any thread runs.
   integer :: step_l1s1, step_l2s1, step_l3s2, step_s1s2, step_s1s3, step_s2s1, step_s2s3, step_s3s1
   integer :: step_cwdl2, step_cwdl3

   real(r8), parameter :: profile_tolerance = 1.0e-10_r8 !< of an integral over depth that must be 1

contains

   !> Read the maps and look up the cascade; called once, with the bounds of the processor.
   subroutine socnn_init(bounds, use_century_tfunc, normalize_q10_to_century_tfunc)
      type(bounds_type), intent(in) :: bounds
      logical, intent(in) :: use_century_tfunc, normalize_q10_to_century_tfunc

      call read_maps(bounds, use_century_tfunc, normalize_q10_to_century_tfunc)
      if (.not. maps_active()) return
      step_l1s1 = transition("litr1", "soil1")
      step_l2s1 = transition("litr2", "soil1")
      step_l3s2 = transition("litr3", "soil2")
      step_s1s2 = transition("soil1", "soil2")
      step_s1s3 = transition("soil1", "soil3")
      step_s2s1 = transition("soil2", "soil1")
      step_s2s3 = transition("soil2", "soil3")
      step_s3s1 = transition("soil3", "soil1")
      step_cwdl2 = transition("cwd", "litr2")
      step_cwdl3 = transition("cwd", "litr3")
   end subroutine socnn_init

   !> Multiply the decay rates of each pool and layer by new over old.
   subroutine socnn_rates(bounds, num_soilc, filter_soilc, t_soisno, w_scalar, q10, froz_q10, efolding, &
                          days_per_year, k_l1, k_l2_l3, k_s1, k_s2, k_s3, k_frag, decomp_k)
      type(bounds_type), intent(in) :: bounds
      integer, intent(in) :: num_soilc, filter_soilc(:)
      real(r8), intent(in) :: t_soisno(bounds%begc:, 1:) !< K
      real(r8), intent(in) :: w_scalar(bounds%begc:, 1:)
      real(r8), intent(in) :: q10, froz_q10
      real(r8), intent(in) :: efolding !< m
      real(r8), intent(in) :: days_per_year
      real(r8), intent(in) :: k_l1, k_l2_l3, k_s1, k_s2, k_s3, k_frag !< 1/s
      real(r8), intent(inout) :: decomp_k(bounds%begc:, 1:, 1:) !< 1/s (column, layer, pool)

      real(r8) :: environment(nlevdecomp), old_rate(size(decomp_k, 3))
      integer :: map(size(decomp_k, 3)), fc, c, pool

      if (.not. maps_active()) return
      if (mapped(i_efolding) .and. exp(-zsoi(nlevdecomp)/efolding) <= 0.0_r8) then
         call endrun(msg="ctsm-socnn: decomp_depth_efolding of the paramfile is too small to be replaced by a map")
      end if
      do pool = 1, size(decomp_k, 3)
         select case (trim(pool_name(pool)))
         case ("litr1")
            map(pool) = i_tau_l1
            old_rate(pool) = k_l1
         case ("litr2", "litr3")
            map(pool) = i_tau_l2_l3
            old_rate(pool) = k_l2_l3
         case ("soil1")
            map(pool) = i_tau_s1
            old_rate(pool) = k_s1
         case ("soil2")
            map(pool) = i_tau_s2
            old_rate(pool) = k_s2
         case ("soil3")
            map(pool) = i_tau_s3
            old_rate(pool) = k_s3
         case ("cwd")
            map(pool) = i_tau_cwd
            old_rate(pool) = k_frag
         case default
            call endrun(msg="ctsm-socnn: unknown pool "//pool_name(pool))
         end select
      end do
      do fc = 1, num_soilc
         c = filter_soilc(fc)
         call environment_factor(col%gridcell(c), t_soisno(c, :), w_scalar(c, :), q10, froz_q10, efolding, environment)
         do pool = 1, size(decomp_k, 3)
            decomp_k(c, 1:nlevdecomp, pool) = decomp_k(c, 1:nlevdecomp, pool) &
                                              *(rate_factor(map(pool), c, old_rate(pool), secspday*days_per_year) &
                                                *environment)
         end do
      end do
   end subroutine socnn_rates

   !> Factor by which a pool's rate changes through its turnover time.
   pure real(r8) function rate_factor(map, c, old_rate, seconds_per_year)
      integer, intent(in) :: map, c
      real(r8), intent(in) :: old_rate, seconds_per_year

      rate_factor = 1.0_r8
      if (mapped(map)) then
         rate_factor = turnover_factor(map_value(map, col%gridcell(c), 0.0_r8), old_rate, seconds_per_year)
      end if
   end function rate_factor

   !> Factor by which the rates of all pools change through temperature, water and depth.
   pure subroutine environment_factor(g, temperature, w_scalar, q10, froz_q10, efolding, factor)
      integer, intent(in) :: g
      real(r8), intent(in) :: temperature(:), w_scalar(:), q10, froz_q10, efolding
      real(r8), intent(out) :: factor(:)

      integer :: j

      factor = 1.0_r8
      do j = 1, nlevdecomp
         if (mapped(i_q10) .or. mapped(i_frozen_q10)) then
            factor(j) = temperature_factor(temperature(j), map_value(i_q10, g, q10), &
                                           map_value(i_frozen_q10, g, froz_q10), q10, froz_q10)
         end if
         if (mapped(i_w_scaling)) then
            factor(j) = factor(j)*water_factor(map_value(i_w_scaling, g, 1.0_r8), w_scalar(j))
         end if
         if (mapped(i_efolding)) then
            factor(j) = factor(j)*depth_factor(zsoi(j), map_value(i_efolding, g, efolding), efolding)
         end if
      end do
   end subroutine environment_factor

   !> Loss in one time step for the matrix solution: rate times time step, as CTSM fills it.
   subroutine socnn_matrix_rates(bounds, num_soilc, filter_soilc, decomp_k, dt, loss)
      type(bounds_type), intent(in) :: bounds
      integer, intent(in) :: num_soilc, filter_soilc(:)
      real(r8), intent(in) :: decomp_k(bounds%begc:, 1:, 1:) !< 1/s
      real(r8), intent(in) :: dt !< s
      real(r8), intent(inout) :: loss(bounds%begc:, 1:) !< (column, layer + nlevdecomp (pool - 1))

      integer :: fc, c, pool, j

      if (.not. maps_active()) return
      do pool = 1, size(decomp_k, 3)
         do j = 1, nlevdecomp
            do fc = 1, num_soilc
               c = filter_soilc(fc)
               loss(c, j + nlevdecomp*(pool - 1)) = decomp_k(c, j, pool)*dt
            end do
         end do
      end do
   end subroutine socnn_matrix_rates

   !> Replace respired and path fractions of every transition.
   subroutine socnn_fractions(bounds, respired, path)
      type(bounds_type), intent(in) :: bounds
      real(r8), intent(inout) :: respired(bounds%begc:, 1:, 1:) !< (column, layer, transition)
      real(r8), intent(inout) :: path(bounds%begc:, 1:, 1:)

      integer :: c, g

      if (.not. maps_active()) return
      do c = bounds%begc, bounds%endc
         g = col%gridcell(c)
         call replace(i_rf_l1s1, g, respired(c, :, step_l1s1))
         call replace(i_rf_l2s1, g, respired(c, :, step_l2s1))
         call replace(i_rf_l3s2, g, respired(c, :, step_l3s2))
         call replace(i_rf_s3s1, g, respired(c, :, step_s3s1))
         call split(i_fs1s2, i_fs1s3, g, step_s1s2, step_s1s3, respired(c, :, :), path(c, :, :))
         call split(i_fs2s1, i_fs2s3, g, step_s2s1, step_s2s3, respired(c, :, :), path(c, :, :))
         call replace(i_cwd_cellulose, g, path(c, :, step_cwdl2))
         call replace(i_cwd_lignin, g, path(c, :, step_cwdl3))
      end do
   end subroutine socnn_fractions

   !> Put a map's value into the layers that decompose.
   pure subroutine replace(map, g, fraction)
      integer, intent(in) :: map, g
      real(r8), intent(inout) :: fraction(:) !< (layer)

      integer :: j

      if (.not. mapped(map)) return
      do j = 1, nlevdecomp
         fraction(j) = changed_fraction(map_value(map, g, 0.0_r8), fraction(j))
      end do
   end subroutine replace

   !> Put two maps' values into the two transitions out of one pool.
   pure subroutine split(first, second, g, one, other, respired, path)
      integer, intent(in) :: first, second, g
      integer, intent(in) :: one, other !< transitions
      real(r8), intent(inout) :: respired(:, :), path(:, :) !< (layer, transition)

      integer :: j

      if (.not. mapped(first)) return
      do j = 1, nlevdecomp
         call split_fractions(map_value(first, g, 0.0_r8), map_value(second, g, 0.0_r8), &
                              path(j, one), path(j, other), respired(j, one))
         respired(j, other) = changed_fraction(respired(j, one), respired(j, other))
      end do
   end subroutine split

   !> Index of the transition between two pools, by their restart names.
   integer function transition(donor, receiver)
      character(len=*), intent(in) :: donor, receiver

      integer :: step

      do step = 1, size(decomp_cascade_con%cascade_donor_pool)
         if (pool_name(decomp_cascade_con%cascade_donor_pool(step)) == donor .and. &
             pool_name(decomp_cascade_con%cascade_receiver_pool(step)) == receiver) then
            transition = step
            return
         end if
      end do
      transition = 0
      call endrun(msg="ctsm-socnn: CTSM has no transition from "//donor//" to "//receiver)
   end function transition

   pure function pool_name(pool)
      integer, intent(in) :: pool
      character(len=8) :: pool_name

      pool_name = decomp_cascade_con%decomp_pool_name_restart(pool)
   end function pool_name

   !> Multiply the diffusivity of a column, which is linear in the one coefficient that applies to it.
   subroutine socnn_diffusivity(bounds, num_soilc, filter_soilc, altmax, altmax_lastyear, &
                                max_altdepth_cryoturbation, bioturbation, cryoturbation, diffusivity)
      type(bounds_type), intent(in) :: bounds
      integer, intent(in) :: num_soilc, filter_soilc(:)
      real(r8), intent(in) :: altmax(bounds%begc:), altmax_lastyear(bounds%begc:) !< m
      real(r8), intent(in) :: max_altdepth_cryoturbation !< m
      real(r8), intent(in) :: bioturbation, cryoturbation !< m2/s, CTSM's scalars
      real(r8), intent(inout) :: diffusivity(bounds%begc:, 1:) !< m2/s (column, interface)

      real(r8) :: factor
      integer :: fc, c, g

      call require_initialised()
      if (.not. maps_active()) return
      do fc = 1, num_soilc
         c = filter_soilc(fc)
         g = col%gridcell(c)
         if (max(altmax(c), altmax_lastyear(c)) <= max_altdepth_cryoturbation) then
            factor = plain_factor(map_value(i_cryoturbation, g, cryoturbation), cryoturbation)
         else
            factor = plain_factor(map_value(i_bioturbation, g, bioturbation), bioturbation)
         end if
         diffusivity(c, 1:nlevdecomp + 1) = diffusivity(c, 1:nlevdecomp + 1)*factor
      end do
   end subroutine socnn_diffusivity

   !> Replace the profiles along which litter enters the soil.
   subroutine socnn_profiles(bounds, num_soilp, filter_soilp, altmax_lastyear_indx, leaf, fine_root, coarse_root, stem)
      type(bounds_type), intent(in) :: bounds
      integer, intent(in) :: num_soilp, filter_soilp(:)
      integer, intent(in) :: altmax_lastyear_indx(bounds%begc:) !< deepest layer that thawed last year
      real(r8), intent(inout) :: leaf(bounds%begp:, 1:), fine_root(bounds%begp:, 1:) !< 1/m (patch, layer)
      real(r8), intent(inout) :: coarse_root(bounds%begp:, 1:), stem(bounds%begp:, 1:)

      real(r8) :: profile(nlevdecomp)
      integer :: fp, p, c

      call require_initialised()
      if (.not. mapped(i_beta)) return
      do fp = 1, num_soilp
         p = filter_soilp(fp)
         c = patch%column(p)
         call input_profile(map_value(i_beta, patch%gridcell(p), 1.0_r8), &
                            min(altmax_lastyear_indx(c), col%nbedrock(c)), &
                            zisoi(0:nlevdecomp), dzsoi_decomp(1:nlevdecomp), profile)
         call require_whole(profile, p)
         leaf(p, 1:nlevdecomp) = profile
         fine_root(p, 1:nlevdecomp) = profile
         coarse_root(p, 1:nlevdecomp) = profile
         stem(p, 1:nlevdecomp) = profile
      end do
   end subroutine socnn_profiles

   !> Stop if a profile does not integrate to 1: carbon would be lost.
   subroutine require_whole(profile, p)
      real(r8), intent(in) :: profile(:)
      integer, intent(in) :: p

      real(r8) :: total

      total = sum(profile*dzsoi_decomp(1:nlevdecomp))
      if (.not. abs(total - 1.0_r8) <= profile_tolerance) then
         write (iulog, *) "ctsm-socnn: the input profile of patch ", p, " integrates to ", total
         call endrun(msg="ctsm-socnn: an input profile does not integrate to 1")
      end if
   end subroutine require_whole

end module SocnnMod
