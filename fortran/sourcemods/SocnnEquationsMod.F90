!> The formulas by which maps replace CTSM's scalars. Pure; nothing here knows of columns or files.
!>
!> Every change is a ratio of new to old, formed so that it is exactly 1 where the map equals the scalar. Values that
!> differ by no more than the rounding of a unit conversion count as equal: a case whose maps are constant and equal to
!> its scalars is bit for bit the stock case.
module SocnnEquationsMod
   use shr_kind_mod, only: r8 => shr_kind_r8
   implicit none
   private

   public :: turnover_factor, temperature_factor, water_factor, depth_factor, plain_factor
   public :: changed_fraction, split_fractions, input_profile

   !> Relative difference up to which two values are the same.
   real(r8), parameter :: rounding = 1.0e-14_r8

   !> K. CTSM's freezing point, SHR_CONST_TKFRZ, and the reference temperature of its Q10 function above it.
   real(r8), parameter :: freezing = 273.15_r8
   real(r8), parameter :: reference_above_freezing = 25.0_r8

contains

   !> New over old decay rate for a turnover time (yr) in place of a rate (1/s).
   pure real(r8) function turnover_factor(turnover_time, old_rate, seconds_per_year)
      real(r8), intent(in) :: turnover_time, old_rate, seconds_per_year

      turnover_factor = settled((1.0_r8/(seconds_per_year*turnover_time))/old_rate)
   end function turnover_factor

   !> New over old temperature scalar, with CTSM's normalisation to the CENTURY function in both.
   pure real(r8) function temperature_factor(temperature, q10, frozen_q10, old_q10, old_frozen_q10)
      real(r8), intent(in) :: temperature !< K
      real(r8), intent(in) :: q10, frozen_q10, old_q10, old_frozen_q10

      temperature_factor = settled(temperature_scalar(temperature, q10, frozen_q10) &
                                   /temperature_scalar(temperature, old_q10, old_frozen_q10))
   end function temperature_factor

   !> CTSM's temperature scalar without the constant of its normalisation; the part of it that depends on Q10 is here.
   pure real(r8) function temperature_scalar(temperature, q10, frozen_q10)
      real(r8), intent(in) :: temperature, q10, frozen_q10

      if (temperature >= freezing) then
         temperature_scalar = q10**((temperature - (freezing + reference_above_freezing))/10.0_r8)
      else
         temperature_scalar = q10**(-reference_above_freezing/10.0_r8)*frozen_q10**((temperature - freezing)/10.0_r8)
      end if
      temperature_scalar = temperature_scalar*q10
   end function temperature_scalar

   !> min(1, s w) over w; 1 where nothing decomposes.
   pure real(r8) function water_factor(scaling, water_scalar)
      real(r8), intent(in) :: scaling, water_scalar

      water_factor = 1.0_r8
      if (water_scalar > 0.0_r8) water_factor = settled(min(1.0_r8, scaling*water_scalar)/water_scalar)
   end function water_factor

   !> New over old decrease of decomposition with depth. The old scalar must not have vanished.
   pure real(r8) function depth_factor(depth, efolding, old_efolding)
      real(r8), intent(in) :: depth, efolding, old_efolding !< m

      depth_factor = settled(exp(-depth/efolding)/exp(-depth/old_efolding))
   end function depth_factor

   !> New over old value of a quantity that enters as a factor.
   pure real(r8) function plain_factor(new, old)
      real(r8), intent(in) :: new, old

      plain_factor = settled(new/old)
   end function plain_factor

   !> The new fraction, or the old one where they are the same.
   pure real(r8) function changed_fraction(new, old)
      real(r8), intent(in) :: new, old

      changed_fraction = merge(old, new, abs(new - old) <= rounding)
   end function changed_fraction

   !> Path fractions and the common respired fraction of a pool of whose loss `first` and `second` reach two others.
   pure subroutine split_fractions(first, second, path_first, path_second, respired)
      real(r8), intent(in) :: first, second
      real(r8), intent(inout) :: path_first, path_second, respired

      real(r8) :: total

      total = first + second
      respired = changed_fraction(1.0_r8 - total, respired)
      if (total > 0.0_r8) then
         path_first = changed_fraction(first/total, path_first)
         path_second = changed_fraction(second/total, path_second)
      end if
   end subroutine split_fractions

   !> Carbon input per metre (1/m): proportional to beta**(100 z), over the layers down to `bottom`, integrating to 1.
   !>
   !> With c = -100 ln(beta), layer j between z(j-1) and z(j) holds exp(-c z(j-1)) (1 - exp(-c dz)) / c of the whole;
   !> the last factor is formed without cancellation, and without division by zero at beta = 1.
   pure subroutine input_profile(beta, bottom, interface_depth, thickness, profile)
      real(r8), intent(in) :: beta
      integer, intent(in) :: bottom !< last layer with input; below 1: all enters the first layer
      real(r8), intent(in) :: interface_depth(0:) !< m
      real(r8), intent(in) :: thickness(:) !< m
      real(r8), intent(out) :: profile(:)

      real(r8) :: decay, half
      integer :: j, last

      decay = -100.0_r8*log(beta)
      last = min(max(bottom, 1), size(profile))
      profile = 0.0_r8
      do j = 1, last
         half = 0.5_r8*decay*thickness(j)
         profile(j) = exp(-decay*interface_depth(j - 1) - half)
         if (half > 0.0_r8) profile(j) = profile(j)*sinh(half)/half
      end do
      profile(1:last) = profile(1:last)/sum(profile(1:last)*thickness(1:last))
   end subroutine input_profile

   !> 1 for a ratio that differs from it by rounding only.
   pure real(r8) function settled(ratio)
      real(r8), intent(in) :: ratio

      settled = merge(1.0_r8, ratio, abs(ratio - 1.0_r8) <= rounding)
   end function settled

end module SocnnEquationsMod
